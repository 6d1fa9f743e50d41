"""The control state's tables in portable SQL, one file a table; together they are `bursar.control.state.ControlState`.

Every write runs in one transaction of `Database.writing`, which admits one writer at a time: ids that count up from the
largest are safe in it.
"""
